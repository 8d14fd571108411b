-- One row a client.
select
    client_id,
    client_name,
    country,
    city,
    email,
    signup_date,
    updated_at
from stg_clients
