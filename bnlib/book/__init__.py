"""What the book needs beside the mathematics: claims, scale and figures."""
