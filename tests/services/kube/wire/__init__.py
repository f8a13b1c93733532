"""HTTP: what is asked, by whom, and how it is answered."""
