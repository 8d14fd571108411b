select order_id, client_id, product_id, order_date, status, quantity, unit_price,
       cast(quantity * unit_price as decimal(18, 2)) as amount
from stg_orders
