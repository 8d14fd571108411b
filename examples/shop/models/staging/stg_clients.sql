-- Clients under English names. `crm.clients` is a stream; its columns were loaded in snake_case (ClientID → client_id).
select
    client_id,
    nom_client as client_name,
    email,
    ville as city,
    pays as country,
    date_inscription as signup_date,
    updated_at
from crm.clients
