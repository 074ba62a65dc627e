print("People who bought this bought that.")
