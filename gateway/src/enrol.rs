//! Enrolment of devices.
