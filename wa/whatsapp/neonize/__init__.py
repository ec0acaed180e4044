"""WhatsApp itself, through neonize."""
