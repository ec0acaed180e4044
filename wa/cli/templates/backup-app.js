    {
      // A backup now, and at 17 minutes past every hour.
      name: "wa-backup",
      script: @SCRIPT@,
      args: @BACKUP@,
      env: @ENVIRONMENT@,
      cwd: "/",
      interpreter: "none",
      autorestart: false,
      cron_restart: "17 * * * *",
    },
