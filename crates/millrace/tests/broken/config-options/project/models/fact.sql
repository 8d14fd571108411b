{{ config(materialized='table', unique_key='id') }}
select id, status, day, amount from files.orders
