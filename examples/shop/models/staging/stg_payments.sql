-- Payments under English names.
select
    paiement_id as payment_id,
    commande_id as order_id,
    montant as amount,
    date_paiement as paid_on,
    moyen as method,
    statut as status
from payments.payments
