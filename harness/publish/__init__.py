"""From records to what people read: tables, comparisons, trends, pictures. Reads records, measures nothing."""
