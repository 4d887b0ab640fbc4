"""Has the shop moved away from the time that the champion was trained on?"""
