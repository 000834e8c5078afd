"""What is measured, one file per subject. Each function of (watch, …) runs in a process of its own."""
