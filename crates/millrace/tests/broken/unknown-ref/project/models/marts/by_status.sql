select o.id
-- é stands before it
from {{ ref("stg_order") }} o
