"""The payment providers and the fake Stripe that one of them talks to."""
