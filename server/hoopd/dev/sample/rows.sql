-- About 100,000 rows, the same on every run and every version: all of it is arithmetic on the row's number.
-- Nobody here exists. Names are paired by arithmetic, mail goes to example.com (RFC 2606), phone numbers are the 555-01xx
-- kept for fiction, card numbers have the test prefix 400000 and a check digit, national ids begin with 9 and have a
-- second part below 50, which no authority issues.

-- One round of mixing: high bits into low ones, then a multiplication modulo a prime.
CREATE FUNCTION pg_temp.stirred(x bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT ((x # (x >> 15)) * 1103515 + 11) % 4294967291
$$;

-- A number from 0 to 4294967290 for row i in series s.
CREATE FUNCTION pg_temp.mixed(i bigint, s bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.stirred(pg_temp.stirred((i * 2654435 + s * 86028121 + 12345) % 4294967291))
$$;

CREATE FUNCTION pg_temp.picked(i bigint, s bigint, words text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT words[1 + pg_temp.mixed(i, s) % array_length(words, 1)]
$$;

-- The digits followed by their check digit (ISO/IEC 7812-1, annex B), for an odd number of digits.
CREATE FUNCTION pg_temp.checked(digits text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT digits || (10 - sum(CASE WHEN place % 2 = 0 THEN digit WHEN digit > 4 THEN digit * 2 - 9 ELSE digit * 2 END)
                           % 10) % 10
    FROM (SELECT place, substr(digits, place, 1)::int AS digit FROM generate_series(1, length(digits)) AS place) AS d
$$;

INSERT INTO public.customers (id, full_name, email, phone, card_number, national_id, birth_date, profile, created_at)
SELECT i, first || ' ' || last,
       lower(first) || '.' || lower(last) || '.' || i || '@example.com',
       '+1 ' || 200 + pg_temp.mixed(i, 3) % 700 || ' 555 01' || lpad((pg_temp.mixed(i, 4) % 100)::text, 2, '0'),
       pg_temp.checked('400000' || lpad((pg_temp.mixed(i, 5) % 1000000000)::text, 9, '0')),
       national_id,
       birth_date,
       jsonb_build_object(
           'contact', jsonb_build_object('email', lower(first) || '.' || i || '@home.example.com', 'newsletter', i % 3 = 0),
           'address', jsonb_build_object(
               'street', 1 + pg_temp.mixed(i, 9) % 180 || ' '
                         || pg_temp.picked(i, 10, '{Lantern Row,Quarry Lane,Heron Street,Millpond Road,Cobble Way,Saffron Hill}'),
               'city', pg_temp.picked(i, 11, '{Eastmere,Norvale,Brackwater,Tolland,Ashcombe,Wrenford,Port Ellery}')),
           'identity', jsonb_build_object('national_id', national_id, 'birth_date', birth_date)),
       timestamptz '2023-01-01 00:00:00+00' + pg_temp.mixed(i, 12) % 31536000 * interval '1 second'
FROM (
    SELECT i,
           pg_temp.picked(i, 1, '{Adra,Belen,Corin,Dalia,Edric,Fenna,Goran,Hesper,Ilka,Joran,Kestra,Lorin,Maelis,Nadir,Orla,'
                                'Perrin,Quilla,Rowan,Soren,Talia,Ulric,Vesna,Wilmar,Xanthe,Yorick,Zelda}') AS first,
           pg_temp.picked(i, 2, '{Alderwick,Brindlemoor,Cawthrop,Dunmarrow,Elvery,Farthing,Greymantle,Hollowell,Inglebright,'
                                'Jessamy,Kettlewell,Larkspire,Moorcroft,Nettlefold,Oakhanger,Pennywhistle,Quickenden,'
                                'Ravensworth,Silverlock,Thistledown,Underhay,Vellacott,Winterbourne,Yarrowby}') AS last,
           900 + pg_temp.mixed(i, 6) % 100 || '-' || lpad((pg_temp.mixed(i, 7) % 50)::text, 2, '0') || '-'
               || lpad((1 + pg_temp.mixed(i, 8) % 9999)::text, 4, '0') AS national_id,
           date '1940-01-01' + (pg_temp.mixed(i, 13) % 24000)::int AS birth_date
    FROM generate_series(1, 10000) AS i
) AS person;

-- Orders come in the order of their time; the last 24 were left behind by a test of the checkout.
INSERT INTO public.orders (id, customer_id, status, total, currency, placed_at)
SELECT i,
       1 + pg_temp.mixed(i, 21) % 10000,
       CASE WHEN i > 39976 THEN 'test'
            ELSE pg_temp.picked(i, 22, '{pending,paid,paid,shipped,shipped,shipped,delivered,delivered,delivered,delivered,'
                                       'delivered,delivered,delivered,delivered,delivered,delivered,delivered,delivered,'
                                       'cancelled,refunded}') END,
       (300 + pg_temp.mixed(i, 23) % 90000)::numeric / 100,
       pg_temp.picked(i, 24, '{EUR,EUR,EUR,GBP,USD}'),
       timestamptz '2024-01-01 00:00:00+00' + (i * 2160 + pg_temp.mixed(i, 25) % 2000) * interval '1 second'
FROM generate_series(1, 40000) AS i;

INSERT INTO public.payments (id, order_id, amount, method, card_last4, paid_at)
SELECT placed.id, placed.id, placed.total, method, CASE WHEN method = 'card' THEN right(customer.card_number, 4) END,
       placed.placed_at + pg_temp.mixed(placed.id, 31) % 172800 * interval '1 second'
FROM public.orders AS placed
JOIN public.customers AS customer ON customer.id = placed.customer_id
CROSS JOIN LATERAL pg_temp.picked(placed.id, 32, '{card,card,card,card,transfer,voucher}') AS method
WHERE placed.status NOT IN ('pending', 'cancelled');

INSERT INTO support.notes (id, customer_id, order_id, author, body, written_at)
SELECT i, customer.id, placed.id, pg_temp.picked(i, 42, '{desk-1,desk-2,desk-3,night-desk}'),
       CASE i % 5
           WHEN 0 THEN customer.full_name || ' called from ' || customer.phone || ' about order ' || placed.id
                       || ' and asked for it to go to ' || (customer.profile #>> '{address,street}') || ', '
                       || (customer.profile #>> '{address,city}') || '.'
           WHEN 1 THEN 'Identity checked for ' || customer.full_name || ': born ' || customer.birth_date || ', id '
                       || customer.national_id || '. Parcel of order ' || placed.id || ' released.'
           WHEN 2 THEN 'Charged twice. The card is ' || customer.card_number || '; please refund '
                       || placed.total || ' ' || placed.currency || ' and write to ' || customer.email || '.'
           WHEN 3 THEN 'Wants ' || customer.email || ' taken off the newsletter.'
           ELSE 'Order ' || placed.id || ': parcel damaged, new one sent.'
       END,
       placed.placed_at + interval '3 days' + pg_temp.mixed(i, 43) % 864000 * interval '1 second'
FROM generate_series(1, 14000) AS i
JOIN public.orders AS placed ON placed.id = 1 + pg_temp.mixed(i, 41) % 39976
JOIN public.customers AS customer ON customer.id = placed.customer_id;

-- Rows that are added later go on from here.
ALTER TABLE public.customers ALTER COLUMN id RESTART WITH 10001;
ALTER TABLE public.orders ALTER COLUMN id RESTART WITH 40001;
ALTER TABLE public.payments ALTER COLUMN id RESTART WITH 40001;
ALTER TABLE support.notes ALTER COLUMN id RESTART WITH 14001;

REFRESH MATERIALIZED VIEW public.customer_spending;
ANALYZE public.customers, public.orders, public.payments, support.notes, public.customer_spending;
