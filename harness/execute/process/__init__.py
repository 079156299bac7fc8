"""Children: started, limited, listened to and ended, one or several at a time."""
