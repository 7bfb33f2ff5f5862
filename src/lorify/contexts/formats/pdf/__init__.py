"""Read PDFs: characters and ruling lines come from pdfium; columns, tables and paragraphs from their positions."""
