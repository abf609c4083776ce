-- case: tables
\d
\dt
\dt+ *.people
\d people
\d+ people
\d visits
\d+ visits
\d everything
\d+ measures
\d measures_2023
\d+ scratch
\d other.people
\d nothing_of_this_name
-- case: views-and-indexes
\dv
\dv+
\dm+
\di
\di+
\d happy_people
\d+ happy_people
\d+ visit_counts
\d visits_by_note
\d+ visits_by_date
\ds
\ds+
\d tickets
\dE
\dP
\dP+
\dPi
-- case: types-and-functions
\dT
\dT+
\dT+ mood
\dD
\dD+
\df
\df+
\df double
\dfp
\dft
\da sum
\do ||
\dC json
\dc
\dO
\dAc
\dAf btree
\dAo btree integer_ops
\sf double
\sf+ shout
\sf nothing
\sv happy_people
\sv+ happy_people
\ef nothing
-- case: people-and-rights
\du
\du+
\dg
\drg
\dp
\dp people
\z visits
\ddp
\drds
\dn
\dn+
\dnS
\db
\db+
-- case: databases-and-server
\l
\l+
\dconfig work_mem
\dconfig+ search_path
\dL
\dL+
\dx
\dx+
\dy
\dX
\des
\deu
\det
\dew
\dF
\dFd
\dFp
\dFt
\dl
\dRp
\dRs
\dd
\dS pg_class
\dAp
-- case: patterns
\d p*
\dt "people"
\dt public.*
\dt *.*eopl?
\df *.now
\d pg_catalog.pg_class
\dt other.people
\dt shop.public.people
\dt elsewhere.public.people
\dfS array_length
-- case: hidden
\set ECHO_HIDDEN on
\d people
\dt
\dn
-- case: search-path
set search_path to other, public;
\dt
\d people
\dn
reset search_path;
\dt
