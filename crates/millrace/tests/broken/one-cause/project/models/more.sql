select *, amount * 2 as twice from fact
