"""What each word of a script does, one function for each; imported when a script has the word."""
