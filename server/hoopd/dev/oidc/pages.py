"""The verification page: plain HTML that a person reads before they say yes.

It names the client, what it wants, the code, and where the device is, since a person may have been sent a code that is
not theirs (RFC 8628 section 5.4; THREATS 20). Everything that came from a device is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from hoopd.dev.oidc.accounts import Account
from hoopd.dev.oidc.grants import DeviceGrant

_MAX_AGENT = 120

_STYLE = (
    "body{font:17px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#222}"
    "h1{font-size:1.4rem}.code{font:bold 1.8rem ui-monospace,monospace;letter-spacing:.1em}"
    "dt{color:#666;margin-top:.6rem}dd{margin:0}fieldset{border:1px solid #ccc;margin:1rem 0}label{display:block}"
    "button,input[type=text]{font:inherit;padding:.4rem 1rem;margin-right:.6rem}.warn{border-left:4px solid #c60;"
    "padding-left:.8rem}footer{color:#666;font-size:.85rem;margin-top:3rem}"
)


def ask_code(action: str, problem: str = "") -> str:
    """The form for the code that the terminal shows; ``problem`` says why it is asked again."""
    warning = f'<p class="warn">{escape(problem)}</p>' if problem else ""
    return _page(
        "Enter the code that your terminal shows",
        f'{warning}<form method="get" action="{escape(action)}">'
        '<input type="text" name="user_code" autocomplete="off" autofocus required aria-label="Code">'
        "<button>Continue</button></form>",
    )


def confirm(action: str, grant: DeviceGrant, accounts: Iterable[Account], problem: str = "") -> str:
    """Who asks for what, from where, and the choice to approve as somebody or to deny."""
    client = grant.request.client
    warning = f'<p class="warn">{escape(problem)}</p>' if problem else ""
    choices = "".join(
        f'<label><input type="radio" name="user" value="{escape(account.name)}" required> {escape(account.name)}'
        f" ({escape(', '.join(account.groups))})</label>"
        for account in accounts
    )
    return _page(
        f"{client.id} asks to {client.asks}",
        f"{warning}<dl><dt>Code</dt><dd class='code'>{shown(grant.user_code)}</dd>"
        f"<dt>Client</dt><dd>{escape(client.id)}, to {escape(client.asks)}</dd>"
        f"<dt>Asked from</dt><dd>{escape(grant.request.address)} ({escape(grant.request.agent[:_MAX_AGENT])})</dd>"
        f"<dt>Asked at</dt><dd>{grant.asked:%Y-%m-%d %H:%M:%S} UTC</dd></dl>"
        "<p class='warn'>Go on only if you have started this yourself just now and your terminal shows this code. "
        "If somebody sent you the code or this link, deny.</p>"
        f'<form method="post" action="{escape(action)}">'
        f'<input type="hidden" name="user_code" value="{escape(grant.user_code)}">'
        f"<fieldset><legend>Sign in as</legend>{choices}</fieldset>"
        '<button name="action" value="approve">Approve</button>'
        '<button name="action" value="deny" formnovalidate>Deny</button></form>',
    )


def finished(grant: DeviceGrant) -> str:
    """The word has been said; nothing is left to do here."""
    client = grant.request.client
    if grant.account is None:
        return _page("Denied", f"<p>{escape(client.id)} was refused. You may close this page.</p>")
    return _page(
        f"Signed in as {grant.account.name}",
        f"<p>{escape(client.id)} may now {escape(client.asks)} as {escape(grant.account.email)}. "
        "Go back to your terminal; you may close this page.</p>",
    )


def refused(title: str, explanation: str) -> str:
    """What cannot be done, and why."""
    return _page(title, f'<p class="warn">{escape(explanation)}</p>')


def shown(user_code: str) -> str:
    """A user code as people read it: two groups of four."""
    return f"{user_code[:4]}-{user_code[4:]}"


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>\n{body}\n"
        "<footer>Development identity provider. It asks no passwords and serves this machine only.</footer>"
        "</body></html>\n"
    )
