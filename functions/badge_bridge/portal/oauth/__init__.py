"""A local OAuth application of a portal: its tokens, how it is installed, and how it stays so.

Read `installing` for how it gets in, `subscribing` for what the portal sends us after that, and `keyring` for how its
tokens are renewed.
"""

from badge_bridge.portal.oauth.application import DEFAULT_SERVER, Application, check_server_url
from badge_bridge.portal.oauth.binding import Bound, Handlers, install_beside
from badge_bridge.portal.oauth.cipher import Cipher, WrongEncryptionKey, new_key
from badge_bridge.portal.oauth.grant import Grant
from badge_bridge.portal.oauth.installing import Installer
from badge_bridge.portal.oauth.keyring import OAuthKeyring
from badge_bridge.portal.oauth.opening import (
    Shared,
    open_installer,
    open_keyring,
    open_subscriptions,
    open_vault,
)
from badge_bridge.portal.oauth.proving import InstallationBusy
from badge_bridge.portal.oauth.subscribing import Subscriptions
from badge_bridge.portal.oauth.tickets import Tickets
from badge_bridge.portal.oauth.tokens import ApplicationTokens
from badge_bridge.portal.oauth.vault import NOTES, Vault

__all__ = [
    "DEFAULT_SERVER",
    "NOTES",
    "Application",
    "ApplicationTokens",
    "Bound",
    "Cipher",
    "Grant",
    "Handlers",
    "InstallationBusy",
    "Installer",
    "OAuthKeyring",
    "Shared",
    "Subscriptions",
    "Tickets",
    "Vault",
    "WrongEncryptionKey",
    "check_server_url",
    "install_beside",
    "new_key",
    "open_installer",
    "open_keyring",
    "open_subscriptions",
    "open_vault",
]
