"""One client connection as a sans-I/O machine: events in, commands out (DESIGN.md section 4).

No socket, clock, store or random number. A question is a command with a ticket; the typed answer with the same ticket
resumes the machine, any other is a no-op. Nothing goes to the database that was not judged at its step (INV-1).
"""
