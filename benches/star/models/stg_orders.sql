{{ config(materialized='view') }}
select commande_id as order_id,
       client_id,
       produit_id as product_id,
       date_commande as order_date,
       statut as status,
       quantite as quantity,
       prix_unitaire as unit_price
from files.orders
