"""What an estimate is made from: predictors found, converted and cut into sequences."""
