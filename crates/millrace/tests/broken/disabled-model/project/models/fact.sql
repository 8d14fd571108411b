{{ config(enabled=var('wanted', false)) }}
select id, status, day, amount from files.orders
