-- Order lines under English names. With `spread_dates` on, each day is moved back by 0 to 29 days, chosen by the order
-- number (times Knuth's multiplicative constant, modulo 2^32), so that data of a single day shows as a month.
select
    commande_id as order_id,
    client_id,
    produit_id as product_id,
    quantite as quantity,
    {%- if var('spread_dates') %}
    date_commande - cast(((cast(commande_id as bigint) * 2654435761) % 4294967296) % 30 as integer) as order_date,
    {%- else %}
    date_commande as order_date,
    {%- endif %}
    statut as status
from files.orders
