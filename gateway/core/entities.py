"""The names of what the scanner can report, each with its meaning in one line.

A policy speaks of these names and of no others; `MARKER:<text>` for the policy's own markers comes besides. Adding a
name here is harmless: until a rule maps it, `unmapped` gives it the highest label.
"""

from collections.abc import Mapping
from types import MappingProxyType

ENTITIES: Mapping[str, str] = MappingProxyType(
    {
        # Mainland China, Hong Kong, Macao, Taiwan
        "CN_RESIDENT_ID": "resident identity card number, 18 characters with checksum or legacy 15 digits",
        "CN_MOBILE": "mobile telephone number of mainland China",
        "CN_LANDLINE": "landline number of mainland China, with area code or in a telephone context",
        "CN_USCC": "unified social credit code of an organisation, 18 characters with checksum",
        "CN_PASSPORT": "passport number of mainland China, in context",
        "PASSPORT": "passport number of any other country, in context",
        "HK_MO_TW_PERMIT": "travel permit or identity card number of Hong Kong, Macao or Taiwan, in context",
        "CN_PLATE": "vehicle licence plate of mainland China",
        "CN_SOCIAL_SECURITY": "Chinese social-security number, in context",
        "WECHAT": "WeChat account name, in context",
        "QQ": "QQ number, in context",
        # United States
        "US_SSN": "US social security number",
        "US_ITIN": "US individual taxpayer identification number",
        "US_DRIVER_LICENSE": "driver licence number, in context",
        "MEDICAL_LICENSE": "US DEA registration number of a prescriber, with checksum",
        "NPI": "US national provider identifier, in context, with checksum",
        # Other countries
        "UK_NHS": "UK NHS number, with checksum and context or grouping",
        "UK_NINO": "UK national insurance number",
        "IN_AADHAAR": "Indian Aadhaar number, with checksum",
        "IN_PAN": "Indian permanent account number",
        # Everywhere
        "BANK_CARD": "payment card number of 12 to 19 digits, with Luhn checksum and known issuer range",
        "BANK_ACCOUNT": "bank account number, in context",
        "IBAN": "international bank account number, with checksum",
        "SWIFT": "BIC of a bank, in context",
        "EMAIL": "e-mail address, internal domains included",
        "PHONE": "telephone number of the US or in international form",
        "IP_ADDRESS": "IPv4 or IPv6 address",
        "MAC_ADDRESS": "hardware address of a network interface",
        "CRYPTO_WALLET": "Bitcoin, Ethereum or Tron address",
        "CREDENTIAL": "secret: key, token, password, private key, connection string",
        "MEDICAL_RECORD": "medical-record, admission or outpatient number, in context",
        "ADDRESS": "postal address down to the street or the building",
        "PERSON": "name of a person",
        "DATE_OF_BIRTH": "date of birth, in context",
        "ORG": "name of an organisation (reported by models only)",
        "URL": "web address (reported by customers' recognizers only)",
        "DATE": "date (reported by models only)",
        # Context: says what a text is about; strong only together with something else
        "HEALTH_CONTEXT": "words of diagnosis, treatment or medication",
        "FINANCE_CONTEXT": "words of salary, account balance, loan or transfer",
        # The text itself
        "OBFUSCATION": "words cut up by invisible characters, or text written in invisible ones",
    }
)
