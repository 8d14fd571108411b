-- One row an order line. The amount is quantity times the product's price; where the catalogue does not have the
-- product, or has no price for it, both stay NULL: nothing is made up.
select
    o.order_id,
    o.client_id,
    o.product_id,
    o.order_date,
    o.status,
    o.quantity,
    p.price as unit_price,
    cast(o.quantity * p.price as decimal(18, 2)) as amount
from stg_orders as o
left join stg_products as p on p.product_id = o.product_id
