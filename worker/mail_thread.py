"""The thread that sends mails about jobs that ended. A slow mail server delays no batch and no heartbeat."""

from __future__ import annotations

import logging
import threading

from django.db import Error, connection

from annotation.jobs import notices

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0


class MailThread(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="mail", daemon=True)
        self._stop_requested = threading.Event()

    def run(self) -> None:
        try:
            while not self._stop_requested.is_set():
                self.send_due()
                self._stop_requested.wait(LOOK_EVERY_S)
        finally:
            connection.close()

    def send_due(self) -> None:
        """Errors of the database are logged: the mails stay due."""
        try:
            while not self._stop_requested.is_set() and notices.send_next():
                pass
        except Error as error:
            log.warning("No mails could be sent: %s", error)
            connection.close()

    def finish(self) -> None:
        self._stop_requested.set()
        self.join(timeout=10)
