print("The risk is acceptable.")
