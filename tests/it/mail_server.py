"""A mail server by other people: takes a port, keeps one mail, and prints it. Without aiosmtpd it ends with 3."""

import json
import sys
import threading

try:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult
except ModuleNotFoundError:
    sys.exit(3)

done = threading.Event()


class Handler:
    async def handle_DATA(self, server, session, envelope):
        login = session.auth_data
        print(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "user": login.login.decode(),
            "password": login.password.decode(),
            "text": envelope.content.decode(),
        }), flush=True)
        done.set()
        return "250 kept"


controller = Controller(
    Handler(),
    hostname="127.0.0.1",
    port=int(sys.argv[1]),
    authenticator=lambda server, session, envelope, mechanism, data: AuthResult(success=True, auth_data=data),
    auth_required=True,
    auth_require_tls=False,
)
controller.start()
print("ready", flush=True)
done.wait(60)
controller.stop()
