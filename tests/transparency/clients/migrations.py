"""Tools that read a schema and change it: Alembic's autogenerate and upgrades, Django's inspectdb and migrations.

Each runs as a process of its own, as people run it, in a directory that goes with it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psycopg

from tests.transparency.comparison import Case, Suite, Transcript
from tests.transparency.sides import DIRECT, Side

SECONDS = 120
OWN = {"PYTHONHASHSEED": "0", "DJANGO_SETTINGS_MODULE": "settings"}
# Revisions are named by chance and bear the time at which they were made.
BY_CHANCE = re.compile(r"(?<![0-9a-f])[0-9a-f]{12}(?![0-9a-f])|\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d\.\d+)?")
MODELS = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("alembic_parent", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(30)))
sa.Table("scratch", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("note", sa.String(10)),
         sa.Column("added", sa.DateTime(timezone=True), server_default=sa.func.now()))
"""
ENV = """
import os
from alembic import context
import sqlalchemy as sa
from models import metadata
engine = sa.create_engine(os.environ["HOOP_URL"])
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, compare_type=True, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()
"""
TEMPLATE = """
import sqlalchemy as sa
from alembic import op
${imports or ""}
revision, down_revision = ${repr(up_revision)}, ${repr(down_revision)}
def upgrade():
    ${upgrades}
def downgrade():
    ${downgrades}
"""
# Made by hand, so that going up and down does not depend on what autogenerate finds.
REVISION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "by_hand", None
def upgrade():
    op.create_table("alembic_made", sa.Column("id", sa.Integer, primary_key=True), sa.Column("note", sa.Text))
    op.bulk_insert(sa.table("alembic_made", sa.column("note", sa.Text)), [{"note": "a"}, {"note": "b"}])
    op.add_column("alembic_made", sa.Column("more", sa.Integer, server_default="3", nullable=False))
    op.alter_column("alembic_made", "note", type_=sa.String(50), nullable=False)
    op.create_index("alembic_more", "alembic_made", ["more"])
    op.create_unique_constraint("alembic_unique", "alembic_made", ["note"])
    with op.get_context().autocommit_block():
        op.create_index("alembic_late", "alembic_made", ["note"], postgresql_concurrently=True)
def downgrade():
    op.drop_table("alembic_made")
"""
SETTINGS = """
import os
SECRET_KEY = "for a comparison alone"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "made"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"],
    "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"], "USER": os.environ["PGUSER"],
    "PASSWORD": os.environ["PGPASSWORD"], "OPTIONS": {"sslmode": "disable"}, "DISABLE_SERVER_SIDE_CURSORS": WITHOUT}}
"""
APP = """
from django.contrib.postgres.fields import ArrayField
from django.db import models

class Author(models.Model):
    name = models.CharField(max_length=40, unique=True)
    extra = models.JSONField(default=dict)
    tags = ArrayField(models.CharField(max_length=10), default=list)
    born = models.DateTimeField(null=True, db_index=True)

class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(price__gt=0), name="priced")]
"""
WORK = """
import django
django.setup()
from django.db import IntegrityError, connection, models, transaction
from made.models import Author, Book
Author.objects.bulk_create([Author(name=f"a{n}", extra={"n": n}, tags=[str(n)]) for n in range(120)])
first = Author.objects.order_by("id").first()
Book.objects.bulk_create([Book(author=first, price=n + 1) for n in range(10)])
print(Author.objects.filter(extra__n__gte=100, tags__contains=["101"]).values_list("name", flat=True))
print(Book.objects.aggregate(models.Sum("price"), models.Count("id")), Book.objects.select_related("author").count())
for wrong in (dict(author=first, price=-1), dict(author_id=-1, price=1)):
    try:
        with transaction.atomic():
            Book.objects.create(**wrong)
            connection.check_constraints()
    except IntegrityError as problem:
        print(problem)
with transaction.atomic():
    print(Author.objects.select_for_update().get(name="a3").tags)
    with transaction.atomic():
        Author.objects.filter(name="a3").update(name="b3")
        transaction.set_rollback(True)
print(Author.objects.update_or_create(name="a3", defaults={"tags": ["x"]})[1], Author.objects.get(name="a3").tags)
print(sum(1 for _ in Author.objects.iterator(chunk_size=50)))
print(Author.objects.explain().splitlines()[0].split("(")[0])
"""


def _run(side: Side, directory: str, *arguments: str) -> Transcript:
    """A Python program in ``directory``, told by its exit code and what it says."""
    url = side.dsn.replace("postgresql://", "postgresql+psycopg://")
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env={
            **side.env,
            "HOOP_URL": url,
            "PYTHONPATH": directory,
            "PYTHONHASHSEED": "0",
            "HOME": directory,
            "DJANGO_SETTINGS_MODULE": "settings",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if side.name == DIRECT and "Traceback (most recent call last)" in done.stderr:
        raise RuntimeError(done.stderr[-2000:])
    said = [*done.stdout.splitlines(), "-- stderr", *done.stderr.splitlines()]
    said = [
        BY_CHANCE.sub("<chance>", line.replace(directory, "<here>").replace(f":{side.port}/", ":<port>/"))
        for line in said
    ]
    return [" ".join(arguments), f"exit {done.returncode}", *said]


def _write(directory: str, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = Path(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _tidied(side: Side, told: Transcript) -> Transcript:
    """Both tools leave the table in which they keep their place."""
    with psycopg.connect(side.owner_dsn, autocommit=True) as connection:
        connection.execute("drop table if exists alembic_version, django_migrations")
    return told


def _alembic(*commands: tuple[str, ...], revision: bool) -> Case:
    def case(side: Side) -> Transcript:
        with tempfile.TemporaryDirectory(prefix="hoop-alembic-") as directory:
            template = TEMPLATE
            files = {"alembic.ini": "[alembic]\nscript_location = here\n", "models.py": MODELS, "here/env.py": ENV,
                     "here/script.py.mako": template}  # fmt: skip
            _write(directory, files | ({"here/versions/by_hand.py": REVISION} if revision else {}))
            Path(directory, "here/versions").mkdir(exist_ok=True)
            told: Transcript = []
            for command in commands:
                told += _run(side, directory, "-m", "alembic", *command)
            for path in sorted(Path(directory, "here/versions").glob("*_found.py")):
                # Tables come in the order of a set.
                told += sorted(BY_CHANCE.sub("<chance>", line) for line in path.read_text("utf-8").splitlines())
            return _tidied(side, told)

    return case


def _django(*commands: tuple[str, ...], without_cursors: bool = True) -> Case:
    def case(side: Side) -> Transcript:
        with tempfile.TemporaryDirectory(prefix="hoop-django-") as directory:
            settings = SETTINGS.replace("WITHOUT", str(without_cursors))
            _write(directory, {"settings.py": settings, "made/__init__.py": "", "made/models.py": APP,
                               "made/migrations/__init__.py": "", "work.py": WORK})  # fmt: skip
            told: Transcript = []
            for command in commands:
                words = command if command[0].endswith(".py") else ("-m", "django", *command, "--settings=settings")
                told += _run(side, directory, *words)
            return _tidied(side, told)

    return case


MADE = (("makemigrations", "made"), ("migrate",))
GONE = (("migrate", "made", "zero"), ("migrate", "auth", "zero"), ("migrate", "contenttypes", "zero"))
ALEMBIC: dict[str, Case] = {
    "autogenerate": _alembic(("revision", "--autogenerate", "-m", "found"), ("check",), ("history",), revision=False),
    "up-and-down": _alembic(
        ("upgrade", "head"),
        ("current", "--verbose"),
        ("downgrade", "base"),
        ("upgrade", "head", "--sql"),
        revision=True,
    ),
}
DJANGO: dict[str, Case] = {
    "inspectdb": _django(("inspectdb", "--include-views", "--include-partitions")),
    "migrations": _django(*MADE, ("showmigrations",), ("sqlmigrate", "made", "0001"), ("check", "--database=default"),
                          *GONE),
    "models": _django(*MADE, ("work.py",), *GONE),
    "server-side-cursors": _django(*MADE, ("work.py",), *GONE, without_cursors=False),
}  # fmt: skip


def alembic() -> Suite:
    return Suite.of("alembic", ALEMBIC)


def django(cases: Mapping[str, Case] = DJANGO) -> Suite:
    return Suite.of("django", cases)
