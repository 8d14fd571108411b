select id
from files.orders
where day > {{ var("since") }}
