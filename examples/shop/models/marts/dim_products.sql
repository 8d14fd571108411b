-- One row a product of the catalogue.
select
    product_id,
    product_name,
    category,
    price
from stg_products
