"""What VXA knows of the webui: the only modules that import its `modules`, asked anew at each call."""
