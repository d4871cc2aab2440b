"""What the stacks share: naming, tags, the output contract, the resources of our own provider."""
