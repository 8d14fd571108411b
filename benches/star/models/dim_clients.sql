select client_id, name as client_name, country, city, email, signup_date
from crm.clients
