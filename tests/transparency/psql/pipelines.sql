-- case: pipeline
\startpipeline
select $1::int as a \bind 1 \sendpipeline
select $1::text as b \bind 'two' \sendpipeline
\endpipeline
\startpipeline
select 1 \bind \sendpipeline
select 1/0 \bind \sendpipeline
select 3 \bind \sendpipeline
\syncpipeline
select 4 \bind \sendpipeline
\endpipeline
\startpipeline
select 1 \bind \sendpipeline
\flushrequest
\getresults
select 2 \bind \sendpipeline
select 3 \bind \sendpipeline
\syncpipeline
\getresults 1
\getresults
\endpipeline
-- case: pipeline-with-prepared
\startpipeline
select $1::int + 1 as n \parse plus
\bind_named plus 1 \sendpipeline
\bind_named plus 2 \sendpipeline
\close_prepared plus
\bind_named plus 3 \sendpipeline
\endpipeline
-- case: pipeline-transactions
\startpipeline
begin \bind \sendpipeline
insert into scratch values ($1, $2) \bind 50 'piped' \sendpipeline
\syncpipeline
select count(*) from scratch \bind \sendpipeline
select 1/0 \bind \sendpipeline
\syncpipeline
select 'aborted' \bind \sendpipeline
rollback \bind \sendpipeline
\endpipeline
select count(*) from scratch;
\startpipeline
insert into scratch values (51) \bind \sendpipeline
select 1/0 \bind \sendpipeline
\endpipeline
select count(*) from scratch;
-- case: pipeline-refuses
\startpipeline
select 1 \bind \gx
\gdesc
set work_mem = '7MB' \bind \sendpipeline
show work_mem \bind \sendpipeline
select 1;
\endpipeline
show work_mem;
