Console.WriteLine("The books are balanced.");
