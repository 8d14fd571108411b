-- One row a day, from the first day of orders to the last. Weeks are those of ISO 8601: from Monday, and the days
-- around New Year belong to the week that has most of them, hence `iso_year` beside `year`.
with bounds as (
    select
        cast(min(order_date) as timestamp) as first_day,
        cast(max(order_date) as timestamp) as last_day
    from stg_orders
),

days as (
    select cast(steps.step as date) as date_day
    from bounds
    cross join generate_series(bounds.first_day, bounds.last_day, interval '1 day') as steps(step)
)

select
    date_day,
    cast(extract(year from date_day) as integer) as year,
    cast(extract(quarter from date_day) as integer) as quarter,
    cast(extract(month from date_day) as integer) as month,
    cast(extract(isoyear from date_day) as integer) as iso_year,
    cast(extract(week from date_day) as integer) as iso_week,
    cast(extract(isodow from date_day) as integer) as day_of_week,
    extract(isodow from date_day) >= 6 as is_weekend
from days
