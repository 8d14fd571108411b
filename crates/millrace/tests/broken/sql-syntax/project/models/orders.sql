select id, status
from files.orders
where status = = 3
