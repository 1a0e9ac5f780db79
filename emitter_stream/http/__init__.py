"""HTTP: requests that are retried, mapped and interruptible. requests and urllib3 stay in here."""
