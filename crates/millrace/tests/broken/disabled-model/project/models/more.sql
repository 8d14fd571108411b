select * from fact
