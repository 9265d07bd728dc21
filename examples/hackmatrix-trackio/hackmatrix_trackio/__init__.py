"""The tracker ``trackio`` for hackmatrix; found by its entry point, so nobody needs to import it."""
