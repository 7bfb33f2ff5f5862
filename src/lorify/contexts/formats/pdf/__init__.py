"""Reading PDFs: characters and ruling lines through pdfium, then columns, tables and paragraphs by their places."""
