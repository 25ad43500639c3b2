"""What every room needs and none owns: types, errors, names, settings, randomness, device."""
