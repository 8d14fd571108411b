{{ config(materialized='view') }}
-- Not published, so nobody else reads it.
select id, payload as "The Payload" from files.events
