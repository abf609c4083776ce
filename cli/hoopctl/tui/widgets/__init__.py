"""The inbox's own widgets: they draw the model and post messages; they decide nothing."""
