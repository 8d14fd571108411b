-- Products under English names.
select
    produit_id as product_id,
    nom_produit as product_name,
    categorie as category,
    prix as price
from catalogue.products
