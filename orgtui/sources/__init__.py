"""What other systems say about usage: their shapes in, our records out, without store or screen."""
