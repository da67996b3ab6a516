"""What a firm's past campaigns tell, and what they cannot: an audit of logs that nobody randomised."""
