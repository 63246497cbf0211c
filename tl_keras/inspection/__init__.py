"""The data doctor: damage, copies, leaks and wrong labels. It reads images and changes nothing."""
